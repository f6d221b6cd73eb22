Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=A, from=C)
      @when amount > 100
    @step(name=B, from=A)
      @when amount > 100
    @step(name=C, from=B)
      @when amount > 100
    @step(name=D, from=D)
      @when amount > 100
    @sink(type=stdout)
