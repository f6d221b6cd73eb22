Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=ValidateSIN, column=sin)
    @sink(type=stdout)
