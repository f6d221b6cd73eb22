Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do aggregate n = count(*) by customer keep state 7d
    @sink(type=stdout)
