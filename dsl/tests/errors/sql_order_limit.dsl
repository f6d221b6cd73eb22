Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do select id, amount order by amount
    @sink(type=stdout)
