Feature:
  Scenario:
    @source(name=orders, type=file, path="orders.json")
    @sink(type=stdout)
