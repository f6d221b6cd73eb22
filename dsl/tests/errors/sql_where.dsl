Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do select id, amount where amount > 100
    @sink(type=stdout)
