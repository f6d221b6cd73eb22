Contract: Payment version 2
  Owner: payments-team
  | field   | type              | rules                       | tags |
  | card_id | string            | required, matches '^c[0-9]+$' | pii  |
  | status  | string            | one of approved, declined   |      |
  | amount  | decimal(12, 2)    | required, >= 0              |      |
  | paid_at | timestamp(ms)     | required, event time        |      |
  Compatibility: backward
