Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @then share of email is null < 5 over 10m
    @sink(type=stdout)
