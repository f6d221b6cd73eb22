Feature: Payments
  Background:
    @source(name=payments, type=topic, topic="payments", contract=Payment@2, lateness=5s)

  Scenario: A mistake
    @sink(type=stdout)

Contract: Payment version 2
  | field | type | rules |
  | id | string | required, unique |
