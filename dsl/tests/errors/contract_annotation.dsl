Contract: Order version 1
  @source(name=a, type=file)
  | field | type |
  | id    | int  |
