Feature: Orders
  Examples: none
    Given orders
      | id |
