Feature: Orders
  Background:
    @source(name=orders, type=file, path=data/orders.json)
