Feature: Orders
  Background:
    @source(name=orders, type=, path="orders.json")
