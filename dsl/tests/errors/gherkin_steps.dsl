Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    Given a stream of orders
    When I look at the amount
    Then only big orders stay
    @sink(type=stdout)
