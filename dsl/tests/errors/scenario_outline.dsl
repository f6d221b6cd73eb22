Feature: Orders
  Scenario Outline: Orders above <limit>
    @source(name=orders, type=file, path="orders.json")
    @sink(type=stdout)
