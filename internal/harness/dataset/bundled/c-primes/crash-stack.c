#include <stdio.h>

static int deeper(volatile int n) {
    volatile char frame[4096] = {0};
    frame[n % 4096] = 1;
    return n < 0 ? 0 : deeper(n + 1) + frame[0];
}

int main(void) {
    printf("%d\n", deeper(0));
    return 0;
}
