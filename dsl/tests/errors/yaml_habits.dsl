Feature: Orders
  owner: payments-team
  Background:
    - name: orders
    type: kafka
