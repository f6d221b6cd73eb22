Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do aggregate n = count(*) in hopping(10m, 1m)
    @sink(type=stdout)
