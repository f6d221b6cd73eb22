Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @do set total = amount * 2
    @sink(type=stdout)
