Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do select net = amount * 2 as net
    @sink(type=stdout)
