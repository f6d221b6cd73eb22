Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do aggregate n = count(*) group by customer
    @sink(type=stdout)
