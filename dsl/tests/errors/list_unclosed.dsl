Feature: Orders
  Background:
    @source(name=orders, type=file, path="orders.json", columns=[id, amount

