Feature: Orders
  Background:
    @source(name=orders, typ=kafka)
    @source(name=rates, path="rates.csv")
