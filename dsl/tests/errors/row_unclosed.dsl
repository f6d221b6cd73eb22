Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @when amount > 100
    @sink(type=stdout)

    Examples: big ones stay
      Given orders
        | id | amount |
        | 1  | 100
      Then Big is empty
