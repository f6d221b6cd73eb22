Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do aggregate n = count(*) in tumbling(hour)
    @sink(type=stdout)
