Feature: Orders
  Scenario: Big orders
    @sorce(name=orders, type=file, path="orders.json")
    @sink(type=stdout)
