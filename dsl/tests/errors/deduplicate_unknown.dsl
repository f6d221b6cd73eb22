Feature: Orders
  Scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @step(name=Big)
      @do deduplicate by id keep newest
    @sink(type=stdout)
