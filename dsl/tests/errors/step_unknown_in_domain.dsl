Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=ValidateSIM, domain=finance, column=sin)
    @sink(type=stdout)
