Feature: Orders
  @(layer=silver)
