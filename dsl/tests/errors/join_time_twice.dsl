Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do join orders on a = b in tumbling(1m) within 5s
    @sink(type=stdout)
