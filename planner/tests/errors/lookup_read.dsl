Feature: Payments
  Background:
    @source(name=payments, type=topic, topic="payments", contract=Payment@2, lateness=5s)
    @source(name=cards, type=asked, url="http://cards", contract=Card@1, key=card_id)

  Scenario: A mistake
    @step(name=A, from=cards)
      @do aggregate n = count(*) by number keep for ever
    @sink(type=stdout)

Contract: Payment version 2
  | field   | type           | rules                     |
  | card_id | string         | required                  |
  | status  | string         | one of approved, declined |
  | amount  | decimal(12, 2) | required, >= 0            |
  | tags    | list<string>   |                           |
  | paid_at | timestamp(ms)  | required, event time      |

Contract: Refund version 1
  | field    | type          | rules                |
  | card     | string        | required             |
  | amount   | int32         |                      |
  | given_at | timestamp(ms) | required, event time |

Contract: Limit version 1
  | field   | type   | rules    |
  | card_id | string | required |
  | most    | int32  |          |

Contract: Card version 1
  | field       | type   | rules         |
  | card_id     | string | required, key |
  | number      | int32  |               |
  | owner_email | string |               |
