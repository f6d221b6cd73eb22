Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @then share of email is null < 1% otherwise alert
    @sink(type=stdout)
