Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @then at least 1000 rows otherwise alert
    @sink(type=stdout)
