Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @then amount > 0 otherwise tag
    @sink(type=stdout)
