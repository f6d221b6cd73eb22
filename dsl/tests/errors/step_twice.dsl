Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @when amount > 100
    @step(name=Big)
      @when amount > 1000
    @sink(type=stdout)
