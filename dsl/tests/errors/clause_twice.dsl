Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do aggregate n = count(*) by customer having n > 3 by region
    @sink(type=stdout)
