Contract: Order version 1
  Owner: team
