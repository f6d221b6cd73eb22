Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do split big when amount > 100, big when amount > 10
    @sink(type=stdout)
