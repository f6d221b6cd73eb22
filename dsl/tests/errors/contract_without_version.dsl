Contract: Order
  | field | type |
  | id    | int  |
Contract: Payment v2
  | field | type |
  | id    | int  |
Contract: Refund@3
  | field | type |
  | id    | int  |
