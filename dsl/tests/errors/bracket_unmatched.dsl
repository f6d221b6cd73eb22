Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do set net = round(amount), 2)
    @sink(type=stdout)
