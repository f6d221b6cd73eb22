Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=ValidateSIN, domain=finance, colum=sin)
    @sink(type=stdout)
