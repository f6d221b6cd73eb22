Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do join orders on a = b within 10m to 5s
    @sink(type=stdout)
