feature: Orders
  scenario: Big orders
    @source(name=orders, type=file, path="orders.json")
    @sink(type=stdout)
