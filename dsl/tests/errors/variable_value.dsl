Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=ValidateSIN, domain=finance, column=Order@1)
    @sink(type=stdout)
