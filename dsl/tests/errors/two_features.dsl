Feature: Orders
  Scenario: One
    @source(name=orders, type=file, path="orders.json")
    @sink(type=stdout)
Feature: Payments
