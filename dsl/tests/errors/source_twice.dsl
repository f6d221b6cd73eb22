Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @source(name=orders, type=file, path="other.json")
    @step(name=orders)
      @when amount > 100
    @sink(type=stdout)
