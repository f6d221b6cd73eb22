Feature: Orders
  Background:
    @source(orders, type=file, path="orders.json")
