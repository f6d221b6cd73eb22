Feature: Orders
  Background:
    @source(name=orders, type=file, path="a.json", path="b.json")
