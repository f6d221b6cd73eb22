Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @when amount > 100
    @sink(type=stdout)

    Examples: big ones stay
      Given oders
        | id |
        | 1  |
      Then Bigg is empty
      And the watermark of Big.x is 2026-01-01T00:00:00Z
