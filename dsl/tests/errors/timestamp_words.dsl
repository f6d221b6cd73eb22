Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @when amount > 100
    @sink(type=stdout)

    Examples: big ones stay
      When the watermark of orders reaches tomorrow
      Then Big is empty
