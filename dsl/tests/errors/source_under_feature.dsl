Feature: Orders
  @source(name=orders, type=file, path="orders.json")
