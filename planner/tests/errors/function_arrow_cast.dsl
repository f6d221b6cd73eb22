Feature: Payments
  Background:
    @source(name=payments, type=topic, topic="payments", contract=Payment@2, lateness=5s)

  Scenario: A mistake
    @step(name=A)
      @do set state = arrow_cast(amount, 'Float64')
    @sink(type=stdout)

Contract: Payment version 2
  | field   | type           | rules                     |
  | card_id | string         | required                  |
  | status  | string         | one of approved, declined |
  | amount  | decimal(12, 2) | required, >= 0            |
  | tags    | list<string>   |                           |
  | paid_at | timestamp(ms)  | required, event time      |

Contract: Card version 1
  | field       | type   | rules         |
  | card_id     | string | required, key |
  | number      | int32  |               |
  | owner_email | string |               |
