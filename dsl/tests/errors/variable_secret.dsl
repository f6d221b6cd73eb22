Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @when token = ${secret.TOKEN}
    @sink(type=stdout)
