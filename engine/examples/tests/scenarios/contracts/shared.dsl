Contract: Reading version 1
  Owner: plant
  | field  | type          | rules                | tags |
  | sensor | string        |                      |      |
  | value  | int           |                      |      |
  | at     | timestamp(ms) | required, event time |      |

Contract: Payment version 1
  Owner: payments-team
  | field   | type           | rules                         | tags |
  | card_id | string         | required, matches '^c[0-9]+$' | pii  |
  | status  | string         | one of approved, declined     |      |
  | amount  | decimal(12, 2) | required, >= 0                |      |
  | paid_at | timestamp(ms)  | required, event time          |      |

Contract: Card version 1
  Owner: cards-team
  | field   | type   | rules         | tags |
  | card_id | string | required, key | pii  |
  | owner   | string |               | pii  |
  | credit  | int    |               |      |
