Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=big-orders)
      @when amount > 100
    @sink(type=stdout)
