Feature: Orders
  Background:
    @source(name=orders, type=file, path="orders.json")
  Background:
    @source(name=rates, type=file, path="rates.json")
