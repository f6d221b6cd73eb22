Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    | id | amount |
    | 1  | 2      |
    @sink(type=stdout)
